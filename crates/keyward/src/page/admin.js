// What of the console needs script? News in a list of events, how far the browser's clock is from the
// server's, and a session that is kept while somebody works here. Everything else does without.

// @ts-check

// @ts-ignore: an address, not a file.
import { createKeyward } from "/client/keyward.js";

// A page of the console is private: it is left where the session ends, in whatever tab that is.
const keyward = createKeyward({ private: true });

/** How often news are asked for, in milliseconds. */
const EVERY = 5000;

/** The list of events as it is now: the same page, of which only the list is taken over. */
async function news(/** @type {HTMLElement} */ list, /** @type {Element | null} */ state) {
  const say = (/** @type {string} */ text) => {
    if (state && state.textContent !== text) state.textContent = text;
  };
  try {
    // A poll is not activity: it is the fetch of a script.
    const answer = await keyward.fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.querySelector("[data-live]");
    // What somebody is at stays as it is.
    if (now && !list.contains(document.activeElement)) {
      for (const time of now.querySelectorAll("time[datetime]")) {
        const at = new Date(time.getAttribute("datetime") ?? "");
        time.setAttribute("title", time.textContent ?? "");
        const timeStyle = time.hasAttribute("data-seconds") ? "medium" : "short";
        time.textContent = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle }).format(at);
      }
      list.replaceChildren(...now.childNodes);
    }
    say("Live");
  } catch {
    say("Live news are interrupted; trying again");
  }
}

const list = /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));
if (list) {
  const state = document.querySelector("[data-live-state]");
  const turn = async () => {
    if (!document.hidden) await news(list, state);
    setTimeout(turn, EVERY);
  };
  setTimeout(turn, EVERY);
}

const offset = document.querySelector("[data-clock-offset]");
if (offset) {
  const ask = Date.now();
  const answer = await keyward.fetch("/api/admin/diagnosis?browser_time=" + encodeURIComponent(new Date(ask).toISOString()));
  if (answer.ok) {
    const { findings } = await answer.json();
    const clock = findings.find((/** @type {{ subject: string }} */ one) => one.subject === "browser clock");
    offset.textContent = clock ? `This browser’s: ${clock.message}.` : "";
  }
}
