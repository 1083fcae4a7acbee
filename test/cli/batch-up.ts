import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Run } from '../../src/reader/ledger.ts'
import { until } from '../support/until.ts'
import { type Line, linesOf, Up } from './up-process.ts'

/**
 * Keeps each attempt's input under the next number, and says how it ended as the files beside it want: `hold` stops it after its first line,
 * `fail` gives exit code 1.
 */
const JOB = `
attempt=$(ls out | grep -c 'id$')
echo "$HEADRACE_RUN_ID" > "out/$attempt.id"
echo "$HEADRACE_RANGES" > "out/$attempt.ranges"
read -r line && echo "$line" > "out/$attempt.lines"
while [ -e hold ]; do sleep 0.05; done
cat >> "out/$attempt.lines"
touch "out/$attempt.ended"
[ ! -e fail ] || { echo 'the warehouse is closed' >&2; exit 1; }
`

export interface Offset {
  readonly source: string
  readonly offset: number
  readonly end: number
  readonly lag: number
}

export interface Outcome {
  readonly outcome: string
  readonly run: Run
}

export interface Attempt {
  readonly id: string
  readonly ranges: readonly { readonly source: string; readonly from: number; readonly to: number }[]
  readonly lines: readonly Line[]
}

/** Two generators, and jobs whose command keeps every attempt. */
export class BatchUp extends Up {
  constructor(generator: string) {
    super(
      `pipeline: plant
sources:
  a: { generator: { ${generator} } }
  b: { generator: { ${generator} } }
batch:
  load: { run: [./job.sh] }
  only-a: { sources: [a], run: [./job.sh] }
`,
      { 'job.sh': JOB },
    )
  }

  offsets(job: string): Promise<Offset[]> {
    return this.json<Offset[]>('batch', 'offsets', job)
  }

  attempt(number: number): Attempt {
    return {
      id: this.read(join('out', `${number}.id`)).trim(),
      ranges: JSON.parse(this.read(join('out', `${number}.ranges`))),
      lines: linesOf(this.read(join('out', `${number}.lines`))),
    }
  }

  attemptsMade(): number {
    return readdirSync(join(this.folder, 'out')).filter(name => name.endsWith('.id')).length
  }

  settled(records: number): Promise<true> {
    return until(`${records} records of each source are settled`, async () => {
      const { edge } = await this.status()
      return edge.sources.every(source => source.settled >= records)
    })
  }

  /** A command that still waits would outlive the test. */
  override async end(): Promise<void> {
    if (this.exists('hold')) this.remove('hold')
    await super.end()
  }
}
