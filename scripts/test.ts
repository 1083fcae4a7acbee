/** `npm test`: types, lint, and every test, those with real brokers and processes included. Arguments go to vitest: `npm test -- -t kill`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runStep, STATIC_STEPS, waitForStepsOnSignals } from './steps.ts'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

waitForStepsOnSignals()
const folder = mkdtempSync(join(tmpdir(), 'headrace-test-'))
const reportPath = join(folder, 'report.json')
let passed = 0
let failed = 0
for (const step of STATIC_STEPS) (await runStep(step)) ? passed++ : failed++

const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`]
const ran = await runStep({ name: 'tests', command: 'vitest', args: ['run', ...reporters, ...process.argv.slice(2)] })
let skipped = 0
try {
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as Report
  // A file that could not even be loaded has no tests to count: it is one failure by itself.
  const broken = report.testResults.filter(file => file.status === 'failed' && file.assertionResults.length === 0).length
  passed += report.numPassedTests
  failed += report.numFailedTests + broken
  skipped = report.numPendingTests
} catch {
  process.stdout.write('the tests left no report\n')
}
if (!ran && failed === 0) failed = 1
rmSync(folder, { recursive: true, force: true })
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`)
process.exitCode = failed === 0 && ran ? 0 : 1
