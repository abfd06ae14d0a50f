"use strict";
for (const video of document.querySelectorAll("video")) {
  video.addEventListener("mouseenter", () => video.play());
  video.addEventListener("mouseleave", () => video.pause());
}
