/** How does the page show and change the tasks of who is signed in? */

import { createKeyward } from '/client/keyward.js';

const keyward = createKeyward();
const $ = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** Asks the API; the client refreshes the session where that is needed. */
async function ask(method, path = '', body) {
  const response = await keyward.fetch(`/api/${keyward.session.user.user_id}/tasks${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  });
  if (response.status === 204) return null;
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.errors?.map((each) => `${each.field}: ${each.message}`).join(', ') || answer.detail);
  return answer;
}

/** Does it, and tells what went wrong. */
async function attempt(work) {
  $('told').textContent = '';
  try {
    await work();
  } catch (error) {
    const fields = error.errors?.map((each) => `${each.field}: ${each.message}`).join(', ');
    $('told').textContent = fields || error.message;
  }
}

function row(task) {
  const item = document.createElement('li');
  const label = document.createElement('label');
  const title = Object.assign(document.createElement('span'), { textContent: task.title }); // Never markup.
  const box = Object.assign(document.createElement('input'), { type: 'checkbox', checked: task.done });
  const remove = Object.assign(document.createElement('button'), { type: 'button', textContent: 'Remove' });
  remove.setAttribute('aria-label', `Remove ${task.title}`);
  box.onchange = () => attempt(async () => {
    const done = box.checked;
    box.checked = task.done; // Until the server has it.
    task = await ask('PATCH', `/${task.id}`, { done });
    box.checked = task.done;
  });
  remove.onclick = () => attempt(async () => {
    await ask('DELETE', `/${task.id}`);
    item.remove();
    $('title').focus(); // What had the focus is gone.
    count();
  });
  label.append(box, title);
  item.append(label, remove);
  return item;
}

function count() {
  $('none').hidden = $('tasks').childElementCount > 0;
}

/** Shows the list to who is signed in, the form to anybody else. */
async function show({ user }) {
  $('door').hidden = !!user;
  $('list').hidden = $('account').hidden = !user;
  $('who').textContent = user?.email || '';
  $('tasks').replaceChildren();
  $('none').hidden = true;
  if (user) await attempt(async () => {
    $('tasks').replaceChildren(...(await ask('GET')).map(row));
    count();
  });
}

$('door').onsubmit = (event) => {
  event.preventDefault();
  const { email, password } = $('door').elements;
  attempt(async () => {
    await keyward[event.submitter?.value || 'login']({ email: email.value, password: password.value });
    $('door').reset();
  });
};
$('add').onsubmit = (event) => {
  event.preventDefault();
  attempt(async () => {
    $('tasks').prepend(row(await ask('POST', '', { title: $('title').value })));
    $('add').reset();
    count();
  });
};
$('leave').onclick = () => attempt(keyward.logout);
keyward.onChange((session, change) => (change === 'signed_in' || change === 'session_end') && show(session));
show(await keyward.ready);
