import { defineConfig } from 'vitest/config'

/** `unit` needs nothing but the checkout; `live` starts brokers and processes, and runs its files one after another. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/live/**', 'test/fault/**', 'test/cli/**', 'test/bench/**'],
          pool: 'forks',
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/{live,fault,cli}/**/*.test.ts'],
          globalSetup: ['test/support/live-setup.ts'],
          pool: 'forks',
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
