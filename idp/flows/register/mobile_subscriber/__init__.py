"""Registration by mobile subscriber: form, one-time code, the carrier's answer, password; or resumed by phone and one-time code."""
