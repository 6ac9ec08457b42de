// What a page in strict TypeScript does with the package. scripts/package compiles it.

import { createKeyward, KeywardError } from 'keyward-client';
import type { Change, Keyward, Options, Session, User } from 'keyward-client';
import { withKeyward } from 'keyward-client/axios';
import 'keyward-client/private';

const options: Options = {
  private: true,
  warn: 60,
  onWarning: (at) => console.log(at === null ? 'over' : new Date(at)),
  texts: { body: (at) => `Until ${new Date(at)}`, stay: 'Stay' },
};
const keyward = createKeyward(options);

export async function tasks(): Promise<string[]> {
  const answer: Response = await keyward.fetch('/api/tasks', { method: 'POST', body: '{}' });
  return answer.json();
}

export async function signIn(email: string, password: string): Promise<User | null> {
  try {
    const session: Session = await keyward.login({ email, password });
    return session.user;
  } catch (error) {
    if (!(error instanceof KeywardError)) throw error;
    const fields: string[] = error.errors.map(({ field, message }) => `${field}: ${message}`);
    console.log(error.code.toUpperCase(), fields);
    return null;
  }
}

const stop: () => void = keyward.onChange((session: Session, change: Change) => {
  if (change === 'session_end') console.log(session.reason?.length);
});
const eject: () => void = withKeyward({}, keyward);
export const end = (whose: Keyward = keyward) => [stop, eject, whose.dispose].forEach((each) => each());

// Types that say nothing would let these through.
// @ts-expect-error: a login needs a password
void keyward.login({ email: 'ada@example.com' });
// @ts-expect-error: no such option
createKeyward({ privat: true });
// @ts-expect-error: no such state
export const isThere = keyward.session.state === 'there';
// @ts-expect-error: a session may have nobody
export const whose: string = keyward.session.user.email;
