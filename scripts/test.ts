/**
 * `npm test`: types, lint, and every test, those with real brokers and processes included. Those with brokers, which mostly wait, run beside all
 * others. Arguments go to vitest, in one run: `npm test -- -t kill`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runStep, STATIC_STEPS, type Step, waitForStepsOnSignals } from './steps.ts'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** What failed and why, for the end of what is printed: of a long run often nothing else is kept. */
  readonly failures: readonly string[]
}

const MAX_FAILURE_LINES = 40

waitForStepsOnSignals()
const folder = mkdtempSync(join(tmpdir(), 'headrace-test-'))

function vitest(name: string, ...args: string[]): Step & { readonly report: string } {
  const report = join(folder, `${name.replaceAll(' ', '-')}.json`)
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  return { name, command: 'vitest', args: ['run', ...reporters, ...args], report }
}

/** A file that could not be loaded, or whose preparation failed: none of its tests did, since none was run. */
function isBroken(file: Report['testResults'][number]): boolean {
  return file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')
}

function failuresOf(report: Report): string[] {
  return report.testResults.flatMap(file => {
    if (isBroken(file)) return [`${file.name}\n${file.message}`]
    return file.assertionResults
      .filter(test => test.status === 'failed')
      .map(
        test =>
          `${file.name}: ${test.fullName}\n${test.failureMessages.join('\n').split('\n').slice(0, MAX_FAILURE_LINES).join('\n')}`,
      )
  })
}

/** Counts what a run says in its report. */
function countOf(path: string, ran: boolean): Count {
  let count: Count = { passed: 0, failed: 0, skipped: 0, failures: [] }
  try {
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report
    // It has no tests to count: it is one failure by itself.
    const broken = report.testResults.filter(isBroken).length
    count = {
      passed: report.numPassedTests,
      failed: report.numFailedTests + broken,
      skipped: report.numPendingTests,
      failures: failuresOf(report),
    }
  } catch {
    process.stdout.write('the tests left no report\n')
  }
  return !ran && count.failed === 0 ? { ...count, failed: 1 } : count
}

const COMMAND_PARTS = 5

const asked = process.argv.slice(2)
const live = vitest('live tests', '--project', 'live')
const others = vitest('tests in process', '--project', 'unit', '--project', 'proof', '--maxWorkers=1')
const commands = (part: number) =>
  vitest(`tests of commands ${part} of ${COMMAND_PARTS}`, '--project', 'commands', `--shard=${part}/${COMMAND_PARTS}`)
/** What is in one lane runs one after another, the lanes beside each other; so both take about as long. */
const lanes =
  asked.length > 0
    ? [[vitest('tests', ...asked)]]
    : [
        [live, commands(1), commands(2), commands(3)],
        [others, commands(4), commands(5)],
      ]

const counts: Count[] = []
for (const step of STATIC_STEPS) {
  const passed = await runStep(step)
  counts.push({ passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0, failures: passed ? [] : [step.name] })
}
// What is not in the first lane is kept and shown when it has ended: two at once could not be read.
await Promise.all(
  lanes.map(async (lane, index) => {
    for (const step of lane) counts.push(countOf(step.report, await runStep(step, index === 0 ? 'shown' : 'kept')))
  }),
)
rmSync(folder, { recursive: true, force: true })

for (const failure of counts.flatMap(count => count.failures)) process.stdout.write(`\n── failed: ${failure}\n`)
const sum = (of: (count: Count) => number) => counts.reduce((total, count) => total + of(count), 0)
const [passed, failed, skipped] = [sum(each => each.passed), sum(each => each.failed), sum(each => each.skipped)]
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = failed === 0 ? 0 : 1
