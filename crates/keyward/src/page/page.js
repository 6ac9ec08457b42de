// What does a page do where script runs? Nothing that it needs: it shows a password on request,
// writes times in the reader's zone, asks before what can't be undone, and takes the secret of a link
// out of the history.

// @ts-check

/** Beside each password a button that shows and hides it. */
function reveal() {
  for (const input of /** @type {NodeListOf<HTMLInputElement>} */ (document.querySelectorAll("input[type=password]"))) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "reveal";
    const show = (/** @type {boolean} */ shown) => {
      input.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-pressed", String(shown));
      button.setAttribute("aria-label", `${shown ? "Hide" : "Show"} the password`);
    };
    show(false);
    button.addEventListener("click", () => show(input.type === "password"));
    // A password manager learns from the field as it was, and what is sent is a password again.
    input.form?.addEventListener("submit", () => show(false));
    input.after(button);
  }
}

/** Times as the reader's clock has them; UTC stays in the title. */
function localTimes() {
  const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.getAttribute("datetime") ?? "");
    if (!Number.isNaN(at.getTime())) {
      time.setAttribute("title", time.textContent ?? "");
      time.textContent = (time.hasAttribute("data-seconds") ? exact : short).format(at);
    }
  }
}

/** A form with `data-confirm` is sent once its question was answered with yes. */
function confirmations() {
  for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form[data-confirm]"))) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.confirmed) return;
      event.preventDefault();
      const submitter = /** @type {HTMLButtonElement | null} */ (/** @type {SubmitEvent} */ (event).submitter);
      ask(form.dataset.confirm ?? "", submitter?.textContent?.trim() || "Go on").then((yes) => {
        if (!yes) return;
        form.dataset.confirmed = "yes";
        form.requestSubmit(submitter ?? undefined);
      });
    });
  }
}

/**
 * @param {string} question
 * @param {string} yes what the button says that goes on
 * @returns {Promise<boolean>}
 */
function ask(question, yes) {
  const dialog = document.createElement("dialog");
  const text = document.createElement("p");
  text.id = "question";
  text.textContent = question;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "row";
  const go = document.createElement("button");
  go.className = "danger";
  go.value = "yes";
  go.textContent = yes;
  const stay = document.createElement("button");
  stay.value = "";
  stay.textContent = "Cancel";
  form.append(go, stay);
  dialog.append(text, form);
  dialog.setAttribute("aria-labelledby", text.id);
  document.body.append(dialog);
  dialog.showModal();
  stay.focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** A form is sent once, however often its button is pressed. */
function once() {
  for (const form of document.querySelectorAll("form[method=post]")) {
    let sent = 0;
    form.addEventListener("submit", (event) => {
      if (event.defaultPrevented) return;
      if (sent && Date.now() - sent < 5000) event.preventDefault();
      else sent = Date.now();
    });
  }
}

/** The secret of a link is out of the history as soon as the link is used. */
function forgetLink() {
  if (!new URLSearchParams(location.search).has("token")) return;
  document.querySelector("form[method=post]")?.addEventListener("submit", () => {
    history.replaceState(history.state, "", location.pathname);
  });
}

reveal();
localTimes();
confirmations();
once();
forgetLink();
