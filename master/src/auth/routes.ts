import { LoginAnswer, LoginRequest, LogoutRequest, Me, PasswordRequest } from '@voiceoi/contracts';
import { type App, bodyOptional, type Feature, ProblemError, route, userIdOf } from '../http/index.ts';
import { clearSessionCookie, refreshTokenOf, setSessionCookie } from './cookie.ts';
import type { AuthService } from './service.ts';

/** Sign-in, refresh, sign-out, password. `secureCookies`: people come over https. */
export function authRoutes(auth: AuthService, secureCookies: boolean): Feature {
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
        return setSessionCookie(reply, await auth.login(email, password, request.ip), secureCookies);
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
        const token = refreshTokenOf(request);
        if (!token) throw new ProblemError('UNAUTHENTICATED', 'There is no session: sign in');
        return setSessionCookie(reply, await auth.refresh(token), secureCookies);
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
        await auth.logout(refreshTokenOf(request), request.body.everywhere ?? false);
        return clearSessionCookie(reply, secureCookies).code(204).send();
      },
    );

    app.post(
      '/api/auth/password',
      route({
        id: 'changePassword',
        tag: 'auth',
        summary: 'Change the password; ends the other sessions',
        description: 'The commonest passwords are refused. Wrong current ones count as failed sign-ins.',
        access: 'user',
        body: PasswordRequest,
        answers: { 204: null },
        problems: ['TOO_MANY_REQUESTS'],
      }),
      async (request, reply) => {
        const { current_password, new_password } = request.body;
        await auth.changePassword({
          userId: userIdOf(request),
          current: current_password,
          next: new_password,
          address: request.ip,
          session: request.principal.kind === 'user' ? request.principal.session : undefined,
        });
        return reply.code(204).send();
      },
    );

    app.get(
      '/api/auth/me',
      route({ id: 'getMe', tag: 'auth', summary: 'Who is signed in', access: 'user', answers: { 200: Me } }),
      async (request) => auth.me(userIdOf(request)),
    );
  };
}
