/** Runs a batch job in a folder once, and kills this very process (SIGKILL) at the step that is named. */
import { join } from 'node:path'
import { BatchJob } from '../../src/reader/batch/job.ts'
import { batchJobOptions } from '../../src/reader/batch/options.ts'
import { Ledger } from '../../src/reader/ledger.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { type JobLog, openJobLog } from '../reader/job-log.ts'

const [folder = '', logIs = '', options = '{}', dieAt] = process.argv.slice(2)
const log = await openJobLog(JSON.parse(logIs) as JobLog)
const ledger = new Ledger(join(folder, 'readers.db'))
const job = new BatchJob(
  {
    name: 'plant.load',
    topic: 'plant',
    options: batchJobOptions.parse(JSON.parse(options)),
    folder,
    declared: [],
    shapeOf: () => ({ json: false, columns: [] }),
  },
  {
    ...{ log, ledger, clock: systemClock, random: Math.random, logger: silentLogger, alarms: new Alarms(systemClock) },
    ...{ core: 'core', runsDir: join(folder, 'runs') },
    onStep: step => {
      if (step === dieAt) process.kill(process.pid, 'SIGKILL')
    },
  },
)
const result = await job.run(new AbortController().signal)
ledger.close()
await log.close()
process.exit(result.outcome === 'failed' ? 1 : 0)
