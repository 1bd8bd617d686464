import type { Role } from '@voiceoi/contracts';
import type { Injected, TestMaster } from './test-master.ts';

/** Somebody who is signed in. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  call(method: string, path: string, body?: unknown): Promise<Injected>;
}

const PASSWORD = 'a password of somebody';
let people = 0;

/** Brings a new person into an organization as people come: invited, and accepting. */
export async function newMember(one: TestMaster, orgId: string, role: Role): Promise<Person> {
  const email = `${role}-${people++}@example.com`;
  const invited = await one.api('POST', `/api/orgs/${orgId}/members`, { email, role });
  const token = tokenOf(invited);
  return personOf(one, await one.api('POST', '/api/auth/accept-invite', { token, password: PASSWORD }));
}

/** The token in an invitation's address. */
export function tokenOf({ body, status }: Injected): string {
  if (status !== 201) throw new Error(`no invitation: ${JSON.stringify(body)}`);
  return new URL(body.invite_url).searchParams.get('token') ?? '';
}

/** Whom an answer signed in. */
export function personOf(one: TestMaster, { body, status }: Injected): Person {
  if (status !== 200) throw new Error(`not signed in: ${JSON.stringify(body)}`);
  const token: string = body.access_token;
  return {
    id: body.user.id,
    email: body.user.email,
    token,
    call: (method, path, content) => one.api(method, path, content, { authorization: `Bearer ${token}` }),
  };
}
