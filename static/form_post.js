// Sends the answer to the portal at once; the button of the page does the same by hand.

document.querySelector("form[data-form-post]")?.requestSubmit();
