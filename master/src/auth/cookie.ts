import type { LoginAnswer } from '@voiceoi/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { REFRESH_DAYS, type Session } from './sessions.ts';

const NAME = 'voiceoi_refresh';

/** The refresh cookie: no script reads it, no other site sends it, and it goes to the sign-in routes alone. */
const cookie = (secure: boolean) => ({ path: '/api/auth', httpOnly: true, sameSite: 'strict', secure }) as const;

export function refreshTokenOf(request: FastifyRequest): string | undefined {
  return request.cookies[NAME];
}

/** Answers a session: what belongs into the body, with the cookie set. `secure`: people come over https. */
export function setSessionCookie(reply: FastifyReply, session: Session, secure: boolean): LoginAnswer {
  reply.setCookie(NAME, session.refreshToken, { ...cookie(secure), maxAge: REFRESH_DAYS * 86_400 });
  reply.header('cache-control', 'no-store');
  return session.answer;
}

export function clearSessionCookie(reply: FastifyReply, secure: boolean): FastifyReply {
  return reply.clearCookie(NAME, cookie(secure));
}
