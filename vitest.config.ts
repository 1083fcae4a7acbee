import { defineConfig } from 'vitest/config'

/** They start processes, open sockets, wait for limits, derive keys or draw many examples: too long for `npm run check`. */
const LONGER = [
  'amqp/{connection,hazards,hostile}',
  'buffer/{buffer,kill,loss}',
  'ca/{enrolment,failover}',
  'console/console',
  'link/{direct,link}',
  'reader/{bad-runs,command,job,positions,run-folder,scheduler}',
  'record/{hostile,round-trip}',
  'source/{file,http,modbus,serial,sockets}',
].map(names => `test/${names}.test.ts`)

/**
 * `unit` needs nothing but the checkout and is quick; `proof` searches and simulates, in process, for longer; `live` starts brokers and
 * processes, and runs its files one after another; those named `….full.test.ts` only with `npm run test:full`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{live,fault,cli,interconnect,browser,system,model,simulation,fuzz,bench}/**', ...LONGER],
          pool: 'forks',
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/{model,simulation,fuzz}/**/*.test.ts', ...LONGER],
          pool: 'forks',
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/{live,fault,cli,interconnect,browser,system}/**/*.test.ts'],
          exclude: process.env['HEADRACE_FAULTS'] === 'all' ? [] : ['test/**/*.full.test.ts'],
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
