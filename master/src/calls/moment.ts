import { validationFailed } from '../http/index.ts';

const FORM = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2})(?::(\d{2})(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/;

/**
 * A moment of a request (RFC 3339, any offset) as Postgres takes it for certain, to the millisecond, as records have it.
 * @throws ProblemError for a moment that does not exist, such as the 30th of February
 */
export function readMoment(name: string, text: string): string {
  const [, minute, second = '00'] = FORM.exec(text) ?? [];
  const local = new Date(`${minute}:${second}.000Z`);
  const moment = new Date(text);
  const exists =
    !Number.isNaN(local.getTime()) &&
    !Number.isNaN(moment.getTime()) &&
    local.toISOString() === `${minute}:${second}.000Z` &&
    moment.getUTCFullYear() >= 1 &&
    moment.getUTCFullYear() <= 9999;
  if (!exists) throw validationFailed([{ path: name, message: 'is no moment that exists, in RFC 3339' }]);
  return moment.toISOString();
}
