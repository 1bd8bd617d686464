import type { Invitation, Member, Role } from '@voiceoi/contracts';
import * as audit from '../audit/index.ts';
import type { Database, Queryable } from '../database/index.ts';
import { notFound, ProblemError } from '../http/index.ts';
import type { Invitations } from './invitations.ts';
import { deleteInvitationsBy, deleteMember, findMember, findMemberByEmail, lockOwners, setRole } from './store.ts';

/** Refuses what whoever asks may not do with a role: make one of it, change it, or take it away. @throws ProblemError */
export type CheckRole = (role: Role) => void;

interface Wanted {
  readonly orgId: string;
  readonly email: string;
  readonly role: Role;
  readonly invitedBy: string;
}

/** @throws ProblemError 409 for somebody who is a member already */
export function invite(database: Database, invitations: Invitations, wanted: Wanted, check: CheckRole) {
  return database.transaction(async (tx): Promise<Invitation> => {
    check(wanted.role);
    const there = await findMemberByEmail(tx, wanted.orgId, wanted.email);
    if (there?.status === 'active')
      throw new ProblemError('ALREADY_EXISTS', `${there.email} is a member already: change the role instead`);
    if (there) check(there.role);
    const made = await invitations.make(tx, wanted);
    const { orgId } = wanted;
    await audit.record(tx, { orgId, action: 'member.invite', target: `member/${made.id}`, before: there, after: made });
    return made;
  });
}

/** @throws ProblemError 404, or 409 for the last owner */
export function changeRole(database: Database, orgId: string, id: string, role: Role, check: CheckRole) {
  return database.transaction(async (tx): Promise<Member> => {
    const { member, isLastOwner } = await take(tx, orgId, id);
    check(member.role);
    check(role);
    const after = { ...member, role };
    if (role !== member.role) {
      if (isLastOwner) throw lastOwner();
      await setRole(tx, orgId, member, role);
      if (role === 'viewer' || role === 'editor' || member.role === 'owner') await deleteInvitationsBy(tx, orgId, id);
    }
    await audit.record(tx, { orgId, action: 'member.update', target: `member/${id}`, before: member, after });
    return after;
  });
}

/** @throws ProblemError 404, or 409 for the last owner */
export function remove(database: Database, orgId: string, id: string, check: CheckRole): Promise<void> {
  return database.transaction(async (tx) => {
    const { member, isLastOwner } = await take(tx, orgId, id);
    check(member.role);
    if (isLastOwner) throw lastOwner();
    await deleteMember(tx, orgId, member);
    await deleteInvitationsBy(tx, orgId, id);
    await audit.record(tx, { orgId, action: 'member.remove', target: `member/${id}`, before: member });
  });
}

/** A member as it stands once no owner can change any more. */
async function take(tx: Queryable, orgId: string, id: string) {
  const owners = await lockOwners(tx, orgId);
  const member = await findMember(tx, orgId, id);
  if (!member) throw notFound(`member "${id}"`);
  return { member, isLastOwner: owners.length === 1 && owners[0] === id };
}

function lastOwner(): ProblemError {
  return new ProblemError('LAST_OWNER', 'This is the last owner: make another member an owner first');
}
