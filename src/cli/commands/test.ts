import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { HeadraceError, messageOf } from '../../runtime/errors.ts'
import { EXIT, print, printJson } from '../output.ts'

interface Outcome {
  readonly file: string
  readonly test: string
  readonly passed: boolean
  readonly difference: readonly string[]
}

export function testCommand(): Command {
  return new Command('test')
    .description('Runs the tests of a pipeline: records in, alerts and derived records out. Exit code 1 where one fails.')
    .argument(
      '<file...>',
      'pipeline files; those in their `tests:` are run, and those in <name>.test.yaml beside them. Files of code: tests of your own analysers, written with node:test',
    )
    .option('--json', 'for programs')
    .addHelpText('after', '\nExamples:\n  headrace test pipelines/cold-store.yaml\n  headrace test strokes.test.ts')
    .action(async (files: string[], options: { json?: true }) => {
      const outcomes: Outcome[] = []
      for (const file of files.filter(each => !isCode(each))) outcomes.push(...(await testFile(file)))
      const code = files.filter(isCode)
      if (code.length > 0) {
        const { runModuleTests } = await import('../module-tests.ts')
        outcomes.push(...(await runModuleTests(code)))
      }
      if (options.json) printJson(outcomes)
      else printOutcomes(outcomes)
      if (outcomes.some(({ passed }) => !passed)) process.exitCode = EXIT.failed
    })
}

/** Whether a file is code, and not a pipeline. */
function isCode(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file)
}

async function testFile(file: string): Promise<Outcome[]> {
  const { loadPipelines, loadTestFile } = await import('../../config/load.ts')
  const { loadAnalyserModules } = await import('../analyser-modules.ts')
  const { analyserDefinitions } = await import('../analysers.ts')
  const { runAnalyserTest } = await import('../analyser-test.ts')
  const isTestFile = file.endsWith('.test.yaml')
  const [pipeline] = loadPipelines([isTestFile ? loadTestFile(file).pipeline : file])
  if (!pipeline) throw new HeadraceError('internal', `${file} gave no pipeline`)
  const beside = isTestFile ? file : file.replace(/\.ya?ml$/, '.test.yaml')
  const sets = [
    { file: pipeline.file, tests: pipeline.config.tests },
    ...(beside !== file || isTestFile ? (existsSync(beside) ? [loadTestFile(beside)] : []) : []),
  ]
  const definitions = analyserDefinitions([pipeline], await loadAnalyserModules([pipeline]), 'anywhere')
  const outcomes = sets.flatMap(({ file: from, tests }) =>
    Object.entries(tests).map(([test, what]): Outcome => {
      try {
        const { difference } = runAnalyserTest(what, pipeline, definitions)
        return { file: from, test, passed: difference === undefined, difference: difference ?? [] }
      } catch (error) {
        if (!(error instanceof HeadraceError) || error.code === 'internal') throw error
        return { file: from, test, passed: false, difference: [messageOf(error)] }
      }
    }),
  )
  if (outcomes.length === 0) {
    throw new HeadraceError('config_invalid', `${file} has no tests`, {
      advice: `Write some under \`tests:\` in it, or in ${beside}; docs/realtime.md has examples.`,
    })
  }
  return outcomes
}

function printOutcomes(outcomes: readonly Outcome[]): void {
  for (const { test, passed, difference } of outcomes) {
    print(`${passed ? 'ok  ' : 'FAIL'} ${test}`)
    for (const line of difference) print(`     ${line}`)
  }
  const failed = outcomes.filter(({ passed }) => !passed).length
  if (outcomes.some(({ file, passed }) => !passed && !isCode(file)))
    print('\nA line with - was expected and not said; one with + was said and not expected.')
  print(`${outcomes.length - failed} passed, ${failed} failed`)
}
