// Adds a button to a password field that shows what is typed. The field hides it again before the form is sent.

for (const place of document.querySelectorAll("[data-show-password]")) {
  const input = place.querySelector("input");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "secondary small";
  button.setAttribute("aria-controls", input.id);

  const show = (visible) => {
    input.type = visible ? "text" : "password";
    button.textContent = visible ? place.dataset.hide : place.dataset.show;
  };
  button.addEventListener("click", () => show(input.type === "password"));
  // A browser remembers the text of a visible field for its suggestions.
  input.form?.addEventListener("submit", () => show(false));

  show(false);
  place.append(button);
}
