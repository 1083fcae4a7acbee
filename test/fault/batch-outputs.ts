import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConsumedRecord } from './checker.ts'

/**
 * The command of a job that does as its manual says: what it was given lies under the run's id, all of it or nothing, so that a run that is repeated
 * replaces what it left before. `$OUT` is the folder; a file `hold` in it keeps the command from ending.
 */
export const OUTPUT_COMMAND =
  'part="$OUT/$HEADRACE_RUN_ID.$$.part"; cat > "$part"; while test -e "$OUT/hold"; do echo waiting > "$OUT/waits"; sleep 0.05; done; mv "$part" "$OUT/$HEADRACE_RUN_ID"'

interface Line {
  readonly gateway: string
  readonly source: string
  readonly seq: number
  readonly value?: unknown
}

/** Compares what a job was given, over all its runs, with what lies in the log: each record with a value once. Gives what is wrong, in words. */
export function checkBatchOutputs(folder: string, consumed: readonly ConsumedRecord[]): string[] {
  const findings: string[] = []
  const given = new Map<string, unknown>()
  for (const run of readdirSync(folder).filter(name => !name.includes('.') && name !== 'hold' && name !== 'waits')) {
    const latest = new Map<string, number>()
    for (const { gateway, source, seq, value } of linesOf(join(folder, run))) {
      const key = `${gateway}/${source}`
      if (seq <= (latest.get(key) ?? -1)) findings.push(`run ${run}: ${key} ${seq} after ${latest.get(key)}`)
      latest.set(key, seq)
      if (given.has(`${key} ${seq}`)) findings.push(`${key} ${seq} was given in two runs`)
      given.set(`${key} ${seq}`, value)
    }
  }
  for (const { key, offset, value } of consumed) {
    if (value === null) continue
    const place = `${key} ${offset}`
    if (!given.has(place)) findings.push(`${place} was given in no run`)
    else if (textOf(given.get(place)) !== value.toString('utf8'))
      findings.push(`${place} was given as ${textOf(given.get(place))}`)
    given.delete(place)
  }
  for (const place of given.keys()) findings.push(`${place} was given, and does not lie in the log`)
  return findings
}

function linesOf(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line) as Line)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
