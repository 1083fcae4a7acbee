/**
 * `headrace edge` or `headrace core` with one protection switched off: `program.ts PROTECTION edge|core --config FILE`. What is broken is handed in;
 * everything else is as it is.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { openInlineStore } from '../../../src/buffer/inline-store.ts'
import { openEdgeBuffer } from '../../../src/buffer/open.ts'
import { CoreProcess } from '../../../src/cli/core-process.ts'
import { EdgeProcess } from '../../../src/cli/edge-process.ts'
import { startPatiently } from '../../../src/cli/patient-start.ts'
import { runUntilSignal } from '../../../src/cli/run-until-signal.ts'
import { loadCore, loadEdge } from '../../../src/config/load.ts'
import { Ledger } from '../../../src/reader/ledger.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { createLogger } from '../../../src/runtime/logger.ts'
import type { Broken } from './broken.ts'

/** BROKEN on purpose: a job's offset moves when its run begins, and not when its command has done its work. */
class LedgerThatMovesEarly extends Ledger {
  override begin(run: Parameters<Ledger['begin']>[0]): void {
    super.begin(run)
    this.setOffsets(run.job, new Map(run.ranges.map(({ source, to }) => [source, to])))
  }
}

/** BROKEN on purpose: commits return before anything is on the disk. */
const withoutFsync: typeof openEdgeBuffer = options =>
  openEdgeBuffer({
    ...options,
    openStore: async store => {
      const pragma = Database.prototype.pragma
      Database.prototype.pragma = function (source, ...rest) {
        return pragma.call(this, source.startsWith('synchronous') ? 'synchronous = OFF' : source, ...rest)
      }
      return openInlineStore(store)
    },
  })

/** BROKEN on purpose: nothing outside the database says which numbers were given away. */
const withoutMarks: typeof openEdgeBuffer = async options => {
  mkdirSync(options.stateDir, { recursive: true })
  writeFileSync(join(options.stateDir, 'marks.json'), JSON.stringify({ version: 1, session: 0, sources: {} }))
  return openEdgeBuffer({
    ...options,
    openStore: async store => openInlineStore({ ...store, marksPath: join(options.stateDir, 'marks-that-nobody-reads.json') }),
  })
}

const [broken, role, , file = ''] = process.argv.slice(2) as [Broken, 'edge' | 'core', string, string]
const log = createLogger('info')
if (role === 'edge') {
  const { config, pipelines } = loadEdge(file)
  const openBuffer = { fsync: withoutFsync, marks: withoutMarks, offset: openEdgeBuffer }[broken]
  const edge = await EdgeProcess.start(config, pipelines, log, { openBuffer })
  process.exitCode = await runUntilSignal(() => edge.stop(), log)
} else {
  const { config, pipelines } = loadCore(file)
  const openLedger = (path: string) => (broken === 'offset' ? new LedgerThatMovesEarly(path) : new Ledger(path))
  const start = () => CoreProcess.start(config, pipelines, log, {}, { openLedger })
  const core = await startPatiently(start, { clock: systemClock, random: Math.random, logger: log })
  process.exitCode = await runUntilSignal(() => core.stop(), log)
}
process.stdout.write('', () => process.exit())
