import { defineConfig } from 'vitest/config';

const source = {
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source', 'node', 'default'] } },
};

/** Levels of tests (CONTRIBUTING.md): each is a project, so `vitest run --project unit` is the quick loop. */
export default defineConfig({
  test: {
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          include: [
            '*/src/**/*.test.ts',
            'tools/**/*.test.ts',
            'test/architecture/**/*.test.ts',
            'test/golden/**/*.test.ts',
          ],
          exclude: ['**/*.conformance.test.ts', '**/node_modules/**'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          name: 'integration',
          include: ['*/src/**/*.conformance.test.ts'],
          globalSetup: ['test/services/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...source,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          globalSetup: ['test/services/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          name: 'drills',
          include: ['test/drills/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // They hold times against bounds: after everything else, and one at a time.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
