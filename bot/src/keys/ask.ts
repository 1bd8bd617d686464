import type { OrgKeys } from './key-ring.ts';

/**
 * Asks the master with the key in use, and with the others while it knows none that was tried (401): of a key that was rotated, one generation or
 * the other works. @throws what `ask` throws; Error when there is no key
 */
export async function askWithKeys<T extends { readonly status: number }>(
  keys: OrgKeys,
  ask: (key: string) => Promise<T>,
): Promise<T> {
  let answer: T | undefined;
  for (const held of keys.held()) {
    answer = await ask(held.text);
    if (answer.status === 401) continue;
    keys.works(held);
    return answer;
  }
  if (!answer) throw new Error(`there is no key of ${keys.orgId}`);
  return answer;
}
