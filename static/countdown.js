// Counts down [data-countdown] seconds from the moment the page was shown. It counts by the page's own watch, since a device's clock may be wrong.
// The ticking text is hidden from screen readers, which hear a polite sentence at a few marks and at the end. Focus never moves.

const SPOKEN_MARKS = [60, 30, 10];

function start(place) {
  const { countdown, text, soon, over } = place.dataset;
  const end = performance.now() + Number(countdown) * 1000;
  const ticking = document.createElement("span");
  ticking.setAttribute("aria-hidden", "true");
  const spoken = document.createElement("span");
  spoken.className = "sr-only";
  spoken.setAttribute("role", "status");
  place.replaceChildren(ticking, spoken);
  let marks = SPOKEN_MARKS.filter((mark) => mark < Number(countdown));

  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    if (left === 0) {
      ticking.textContent = over;
      spoken.textContent = over;
      clearInterval(timer);
      return;
    }
    const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    ticking.textContent = text.replace("{time}", time).replace("{seconds}", String(left));
    if (soon && marks.some((mark) => left <= mark)) {
      marks = marks.filter((mark) => left > mark);
      spoken.textContent = soon.replace("{seconds}", String(left));
    }
  };
  const timer = setInterval(tick, 500);
  tick();
}

for (const place of document.querySelectorAll("[data-countdown]")) {
  start(place);
}
