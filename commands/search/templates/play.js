"use strict";
for (const video of document.querySelectorAll("video")) {
  // What was found is in the middle rather than in the first frame, and the controls would hide half of a small picture.
  video.addEventListener("loadedmetadata", () => { video.currentTime = video.duration / 2; }, { once: true });
  video.addEventListener("mouseenter", () => { video.currentTime = 0; video.play(); });
  video.addEventListener("mouseleave", () => video.pause());
  video.controls = false;
  video.tabIndex = 0;
  for (const wanted of ["focus", "click"]) video.addEventListener(wanted, () => { video.controls = true; });
}
