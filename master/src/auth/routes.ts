import { LoginAnswer, LoginRequest, LogoutRequest, PasswordRequest, User } from '@voiceoi/contracts';
import type { FastifyReply } from 'fastify';
import { type App, bodyOptional, type Feature, ProblemError, route } from '../http/index.ts';
import { type AuthService, REFRESH_DAYS, type Session } from './service.ts';

const COOKIE = 'voiceoi_refresh';
const COOKIE_PATH = '/api/auth';

/** Sign-in, refresh, sign-out, password. `secureCookies`: people come over https. */
export function authRoutes(auth: AuthService, secureCookies: boolean): Feature {
  const cookie = { path: COOKIE_PATH, httpOnly: true, sameSite: 'strict', secure: secureCookies } as const;
  const answer = (reply: FastifyReply, session: Session): LoginAnswer => {
    reply.setCookie(COOKIE, session.refreshToken, { ...cookie, maxAge: REFRESH_DAYS * 86_400 });
    reply.header('cache-control', 'no-store');
    return session.answer;
  };

  return (app: App) => {
    app.post(
      '/api/auth/login',
      route({
        id: 'login',
        tag: 'auth',
        summary: 'Sign in',
        access: 'public',
        body: LoginRequest,
        answers: { 200: LoginAnswer },
        problems: ['BAD_CREDENTIALS', 'TOO_MANY_REQUESTS'],
      }),
      async (request, reply) => {
        const { email, password } = request.body;
        return answer(reply, await auth.login(email, password, request.ip));
      },
    );

    app.post(
      '/api/auth/refresh',
      route({
        id: 'refreshSession',
        tag: 'auth',
        summary: 'A new access token for the refresh cookie',
        access: 'public',
        answers: { 200: LoginAnswer },
        problems: ['UNAUTHENTICATED'],
      }),
      async (request, reply) => {
        const token = request.cookies[COOKIE];
        if (!token) throw new ProblemError('UNAUTHENTICATED', 'There is no session: sign in');
        return answer(reply, await auth.refresh(token));
      },
    );

    app.post(
      '/api/auth/logout',
      {
        ...bodyOptional,
        ...route({
          id: 'logout',
          tag: 'auth',
          summary: 'Sign out, here or everywhere',
          access: 'public',
          body: LogoutRequest,
          answers: { 204: null },
        }),
      },
      async (request, reply) => {
        await auth.logout(request.cookies[COOKIE], request.body.everywhere ?? false);
        return reply.clearCookie(COOKIE, cookie).code(204).send();
      },
    );

    app.post(
      '/api/auth/password',
      route({
        id: 'changePassword',
        tag: 'auth',
        summary: 'Change the password; ends the other sessions',
        access: 'user',
        body: PasswordRequest,
        answers: { 204: null },
      }),
      async (request, reply) => {
        const { current_password, new_password } = request.body;
        await auth.changePassword(userId(request), current_password, new_password, request.cookies[COOKIE]);
        return reply.code(204).send();
      },
    );

    app.get(
      '/api/auth/me',
      route({ id: 'getMe', tag: 'auth', summary: 'Who is signed in', access: 'user', answers: { 200: User } }),
      async (request) => auth.user(userId(request)),
    );
  };
}

function userId({ principal }: { readonly principal: { readonly kind: string; readonly id?: string } }): string {
  if (principal.kind !== 'user' || principal.id === undefined)
    throw new ProblemError('UNAUTHENTICATED', 'Sign in first');
  return principal.id;
}
