// A form marked data-once is sent once: its buttons rest after a submit, and wake when the page is shown again (Back) or nothing came.

const REST_MILLISECONDS = 10000;

function wake(form) {
  delete form.dataset.sent;
  for (const button of document.querySelectorAll("button[data-resting]")) {
    if (button.form === form) {
      button.disabled = false;
      button.removeAttribute("data-resting");
    }
  }
}

function rest(form) {
  for (const button of form.elements) {
    if (button instanceof HTMLButtonElement && button.type === "submit" && !button.disabled) {
      button.disabled = true;
      button.dataset.resting = "";
    }
  }
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    // A disabled button's own name and value would not be sent: rest only when the form is on its way.
    setTimeout(() => rest(form), 0);
    setTimeout(() => wake(form), REST_MILLISECONDS);
  });
  window.addEventListener("pageshow", () => wake(form));
}
