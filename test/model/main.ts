/**
 * `npm run model -- --depth 2 [--records 2] [--states 2000000]`: searches every combination of so many faults, each to its end, and prints the shortest
 * schedule that breaks something.
 */
import { Command } from 'commander'
import { readArguments, wholeNumber } from '../../scripts/arguments.ts'
import { search } from './checker.ts'
import { type Faults, REAL } from './rules.ts'
import { FAULTS, initial } from './state.ts'

interface Options {
  readonly depth: number
  readonly records: number
  readonly states: number
}

function model({ depth, records, states: statesMax }: Options): void {
  let all = 0
  for (const faults of combinations(depth)) {
    const from = performance.now()
    const { broken, whole, states, depth: steps } = search(initial(records, faults), REAL, statesMax)
    all += states
    const took = `${((performance.now() - from) / 1_000).toFixed(1)} s`
    const end = whole && !broken ? 'searched to the end' : 'NOT searched to the end'
    process.stdout.write(`${faultsText(faults)}: ${states} states, ${steps} steps deep, ${took}, ${end}\n`)
    if (!broken) continue
    process.stdout.write(`BROKEN: ${broken.what}\n  ${broken.schedule.join('\n  ')}\n`)
    process.exitCode = 1
  }
  process.stdout.write(`${all} states\n`)
}

/** Every choice of so many faults, the same one more than once too. */
function* combinations(depth: number, from = 0, chosen: Faults = {}): Generator<Faults> {
  if (depth === 0) {
    yield chosen
    return
  }
  for (const [at, fault] of FAULTS.entries()) {
    if (at >= from) yield* combinations(depth - 1, at, { ...chosen, [fault]: (chosen[fault] ?? 0) + 1 })
  }
}

function faultsText(faults: Faults): string {
  return Object.entries(faults)
    .map(([fault, times]) => (times === 1 ? fault : `${fault} × ${times}`))
    .join(', ')
}

model(
  readArguments(
    new Command('npm run model --')
      .description('Searches every combination of faults, each to its end.')
      .option('--depth <faults>', 'faults in one schedule', wholeNumber(1), 2)
      .option('--records <number>', 'records that the device gives', wholeNumber(1), 2)
      .option('--states <number>', 'bound of one search', wholeNumber(1), 2_000_000),
  ),
)
