/** `npm run simulate -- --for 10m [--seed N]`: draws and runs schedules until the time is up; prints the seeds of those that failed, each made small. */
import { Command, Option } from 'commander'
import { duration, readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { failureOf } from './failure.ts'

const REPORT_EVERY = 500

async function simulate({ for: forMs, seed: first }: { for: number; seed: number }): Promise<void> {
  const until = performance.now() + forMs
  let ran = 0
  let failed = 0
  process.stdout.write(`simulation: from seed ${first} on\n`)
  for (let seed = first; performance.now() < until; seed++) {
    const failure = await failureOf(seed, text => process.stdout.write(`\n${text}\n`))
    ran += 1
    if (failure !== undefined) {
      failed += 1
      process.stdout.write(`${failure}\n\n`)
    }
    if (ran % REPORT_EVERY === 0) process.stdout.write(`${ran} schedules, ${failed} failed\n`)
  }
  process.stdout.write(`${ran} schedules, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}

await simulate(
  readArguments(
    new Command('npm run simulate --')
      .description('Draws schedules of faults and runs them.')
      .addOption(new Option('--for <duration>', 'how long').argParser(duration()).default(60_000, '1m'))
      .option('--seed <number>', 'the first seed', wholeNumber(0), Date.now() % 2 ** 31),
  ),
)
