/** `npm run simulate -- --for 10m [--seed N]`: draws and runs schedules until the time is up; prints the seeds of those that failed, each made small. */
import { Command, InvalidArgumentError } from 'commander'
import { parseDurationMs } from '../../src/runtime/units.ts'
import { run } from './run.ts'
import { drawSchedule, scheduleText } from './schedule.ts'
import { shrink } from './shrink.ts'

const REPORT_EVERY = 500

async function simulate({ for: forMs, seed: first }: { for: number; seed: number }): Promise<void> {
  const until = performance.now() + forMs
  let ran = 0
  let failed = 0
  process.stdout.write(`simulation: from seed ${first} on\n`)
  for (let seed = first; performance.now() < until; seed++) {
    const schedule = drawSchedule(seed)
    const { findings } = await run(schedule)
    ran += 1
    if (ran % REPORT_EVERY === 0) process.stdout.write(`${ran} schedules, ${failed} failed\n`)
    if (findings.length === 0) continue
    failed += 1
    const smallest = await shrink(schedule, candidate => run(candidate))
    const { findings: left } = await run(smallest)
    process.stdout.write(`\nseed ${seed} failed: ${findings.join('\n  ')}\n${scheduleText(smallest)}\n  ${left.join('\n  ')}\n\n`)
  }
  process.stdout.write(`${ran} schedules, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}

function duration(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === undefined) throw new InvalidArgumentError('Write a duration such as 10m.')
  return ms
}

function seed(text: string): number {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new InvalidArgumentError('Write a whole number.')
  return number
}

await new Command('simulate')
  .option('--for <duration>', 'how long', duration, 60_000)
  .option('--seed <number>', 'the first seed', seed, Date.now() % 2 ** 31)
  .action(simulate)
  .parseAsync()
