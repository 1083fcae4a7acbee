import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** One run of the machine, from its boot on: what tells times of one run from those of another, whatever its wall clock said. */
export interface Boot {
  /** The same for every process until the machine is started again. */
  readonly id: string
  /** ms since about the boot, by a clock that nobody sets; the same for every process. Stands still while the machine sleeps. */
  sinceBootMs(): number
}

const NANOSECONDS_PER_MS = 1_000_000n

/** Linux: CLOCK_MONOTONIC, and the boot id of random(4). Where there is no boot id, each process counts as a boot of its own. */
export function systemBoot(): Boot {
  return { id: bootId(), sinceBootMs: () => Number(process.hrtime.bigint() / NANOSECONDS_PER_MS) }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return randomUUID()
  }
}
