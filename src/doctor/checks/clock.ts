import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { error, type Finding, ok, warning } from '../finding.ts'

const CHECK = 'clock'
const COMMAND_LIMIT_MS = 3_000
/** No clock that is right is before this: this version did not exist. */
const PLAUSIBLE_FROM_MS = Date.UTC(2026, 0, 1)
/** systemd-timesyncd makes it when it has heard a server. */
const TIMESYNC_FILE = '/run/systemd/timesync/synchronized'

/** Whether the clock can be right, and is kept right: event times of devices without a clock of their own come from it. */
export async function checkClock(wallMs: number): Promise<Finding[]> {
  const now = new Date(wallMs).toISOString()
  if (wallMs < PLAUSIBLE_FROM_MS)
    return [error(CHECK, `the clock says ${now}`, 'Set it, and let a time service keep it: records get their times from it.')]
  const synchronised = await isSynchronised()
  if (synchronised === undefined)
    return [
      warning(
        CHECK,
        `the clock says ${now}; whether it is kept right cannot be told here`,
        'See that chrony, ntpd or systemd-timesyncd runs.',
      ),
    ]
  return [
    synchronised
      ? ok(CHECK, `the clock says ${now} and is synchronised`)
      : warning(CHECK, `the clock says ${now} and is not synchronised`, 'Start chrony, ntpd or systemd-timesyncd.'),
  ]
}

async function isSynchronised(): Promise<boolean | undefined> {
  if (existsSync(TIMESYNC_FILE)) return true
  const timedatectl = await said('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'])
  if (timedatectl === 'yes' || timedatectl === 'no') return timedatectl === 'yes'
  const chrony = await said('chronyc', ['-c', 'tracking'])
  return chrony === undefined ? undefined : !chrony.includes('Not synchronised')
}

async function said(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(command, args, { timeout: COMMAND_LIMIT_MS })).stdout.trim()
  } catch {
    return undefined
  }
}
