"""Every check that the tests protect, one entry each, and the program that takes one away and demands that its tests go red."""
