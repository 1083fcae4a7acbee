import { setTimeout as sleep } from 'node:timers/promises'
import { control } from '../console/control-client.ts'

interface Progress {
  readonly records: number
  readonly total: number
  readonly records_per_second: number
}

const LOOK_EVERY_MS = 250
/** Where nobody watches a terminal, a line now and then is enough. */
const LINE_EVERY_MS = 10_000
const BAR_CHARACTERS = 30

/** Where it is shown how far a run is. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows how far a job's run is while `work` is under way: a bar on a terminal, a plain line every so often anywhere else. */
export async function withProgress<Result>(
  path: string,
  job: string,
  work: Promise<Result>,
  output: ProgressOutput = process.stderr,
  lineEveryMs = LINE_EVERY_MS,
): Promise<Result> {
  const over = new AbortController()
  const everyMs = output.isTTY ? LOOK_EVERY_MS : lineEveryMs
  const shown = show(() => control<Progress | null>(path, 'batch.progress', { job }), output, everyMs, over.signal)
  try {
    return await work
  } finally {
    over.abort()
    await shown
  }
}

async function show(
  look: () => Promise<Progress | null>,
  output: ProgressOutput,
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  const onTerminal = output.isTTY === true
  let drawn = false
  try {
    for (;;) {
      await sleep(everyMs, undefined, { signal })
      const progress = await look()
      if (!progress || signal.aborted) continue
      output.write(onTerminal ? `\r${barOf(progress)}\u001b[K` : `${lineOf(progress)}\n`)
      drawn = onTerminal
    }
  } catch {
    // The run has ended, or the core: its answer says so.
  }
  if (drawn) output.write('\r\u001b[K')
}

function barOf(progress: Progress): string {
  const share = Math.min(1, progress.records / Math.max(1, progress.total))
  const full = Math.round(share * BAR_CHARACTERS)
  return `[${'#'.repeat(full)}${'.'.repeat(BAR_CHARACTERS - full)}] ${lineOf(progress)}`
}

function lineOf({ records, total, records_per_second }: Progress): string {
  const percent = Math.floor((records / Math.max(1, total)) * 100)
  const say = (value: number) => value.toLocaleString('en')
  return `${percent} %, ${say(records)} of ${say(total)} records, ${say(records_per_second)}/s`
}
