import { defineConfig } from 'vitest/config'

/** They start processes, open sockets, wait for limits, derive keys or draw many examples: too long for `npm run check`. */
const LONGER = [
  'amqp/{connection,hazards,hostile}',
  'buffer/{buffer,damaged,damaged-while-open,kill,loss,order-of-a-backlog}',
  'ca/{enrolment,failover,relayed,routed,shared}',
  'console/{console,history,monitoring,streams,tracing}',
  'ingress/admission',
  'link/{direct,faults,judged-by-the-core,link}',
  'log/kafka/{cluster,kafkajs-internals,rests,topics}',
  'reader/{alert-book,amqp-login,bad-runs,command,job,positions,run-folder,scheduler,shared-alerts,stream-fields-registry}',
  'record/{hostile,round-trip}',
  'source/{client-tls,exec,file,file-rotation,http,modbus,mqtt-refused,probe,serial,serial-lines,sockets}',
].map(names => `test/${names}.test.ts`)

const FULL_RUN = process.env['HEADRACE_FAULTS'] === 'all'
const ONLY_IN_THE_FULL_RUN = FULL_RUN ? [] : ['test/**/*.full.test.ts']
/** Commands that talk to a Kafka broker: they run with what shares one. */
const COMMANDS_WITH_A_BROKER = 'test/cli/doctor*.test.ts'

/** Real processes are started, which share this machine: one file after another, with limits that a busy machine keeps. */
const ONE_FILE_AT_A_TIME = { pool: 'forks', fileParallelism: false, testTimeout: 180_000, hookTimeout: 120_000 } as const

/**
 * `unit` needs nothing but the checkout and is quick; `proof` searches and simulates, in process, for longer; `commands` runs what a user
 * types, as processes, on the embedded log; `live` starts brokers. Those named `….full.test.ts` run only with `npm run test:full`.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{live,fault,cli,install,interconnect,browser,system,model,simulation,fuzz,power,bench}/**', ...LONGER],
          pool: 'forks',
          // Files of one process share what they import: nothing in it can be changed, and to load it anew for each took most of the time.
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'proof',
          include: ['test/{model,simulation,fuzz,power}/**/*.test.ts', ...LONGER],
          exclude: ONLY_IN_THE_FULL_RUN,
          pool: 'forks',
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'commands',
          include: ['test/{cli,install}/**/*.test.ts'],
          exclude: [COMMANDS_WITH_A_BROKER, ...ONLY_IN_THE_FULL_RUN],
          ...ONE_FILE_AT_A_TIME,
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/{live,fault,interconnect,browser,system}/**/*.test.ts', COMMANDS_WITH_A_BROKER],
          exclude: ONLY_IN_THE_FULL_RUN,
          globalSetup: ['test/support/live-setup.ts'],
          ...ONE_FILE_AT_A_TIME,
        },
      },
    ],
  },
})
