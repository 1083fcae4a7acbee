import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { run } from 'node:test'
import { HeadraceError, messageOf } from '../runtime/errors.ts'

const PRELOAD = new URL('./analyser-api-preload.ts', import.meta.url)
/** One test that takes longer is ended and has failed. */
const TEST_LIMIT_MS = 600_000
/** Lines of an error that are shown: comparisons may be long. */
const LINES_SHOWN_MAX = 40

export interface ModuleTest {
  readonly file: string
  readonly test: string
  readonly passed: boolean
  /** What it threw, by lines; empty where it passed. */
  readonly difference: readonly string[]
}

/**
 * Runs files of tests that somebody wrote with `node:test`, each in a process of its own, in which `headrace/analyser` can be imported. A file without a
 * test is one itself: it passes when it ends well. Throws `not_found` where a file is not there.
 */
export async function runModuleTests(files: readonly string[]): Promise<ModuleTest[]> {
  const absent = files.find(file => !existsSync(file))
  if (absent !== undefined) throw new HeadraceError('not_found', `${absent} is not there`)
  const byPath = new Map(files.map(file => [resolve(file), file]))
  const outcomes: ModuleTest[] = []
  const events = run({ files: [...byPath.keys()], execArgv: ['--import', PRELOAD.href], timeout: TEST_LIMIT_MS })
  for await (const { type, data } of events) {
    if (type === 'test:stderr') process.stderr.write(data.message)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    // A group passes or fails with what is in it.
    if (data.details.type === 'suite') continue
    const file = byPath.get(data.file ?? '') ?? data.file ?? data.name
    const test = byPath.get(resolve(data.name)) ?? data.name
    outcomes.push({ file, test, passed: type === 'test:pass', difference: type === 'test:fail' ? whyOf(data.details.error) : [] })
  }
  return outcomes
}

function whyOf(error: Error): string[] {
  const lines = messageOf(error.cause ?? error).split('\n')
  return lines.length > LINES_SHOWN_MAX ? [...lines.slice(0, LINES_SHOWN_MAX), '…'] : lines
}
