import type { FastifyRequest } from 'fastify';

/** For a route whose body may be absent: none is as good as an empty one. */
export const bodyOptional = {
  preValidation: async (request: FastifyRequest): Promise<void> => {
    if (request.body === undefined || request.body === null) request.body = {};
  },
};
