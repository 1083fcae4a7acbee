import { Command, Option } from 'commander'
import { durationText } from '../../runtime/units.ts'
import { print, printJson } from '../output.ts'

export function validateCommand(): Command {
  return new Command('validate')
    .description(
      'Checks configuration files: pipelines, edge.yaml, core.yaml. Exit code 2 and FILE:LINE:COLUMN where something is wrong.',
    )
    .argument('[file...]', 'files to check; pipelines are also checked against each other')
    .addOption(new Option('--schema [kind]', 'prints the JSON Schema instead, for editors').choices(['pipeline', 'edge', 'core']))
    .addHelpText(
      'after',
      '\nExamples:\n  headrace validate pipelines/*.yaml edge.yaml\n  headrace validate --schema > pipeline.schema.json',
    )
    .action(async (files: string[], options: { schema?: true | 'pipeline' | 'edge' | 'core' }, command: Command) => {
      const { jsonSchemas, loadAny, loadPipelines } = await import('../../config/load.ts')
      if (options.schema !== undefined) {
        printJson(jsonSchemas()[options.schema === true ? 'pipeline' : options.schema])
        return
      }
      if (files.length === 0) command.error('error: name a file to check', { exitCode: 2 })
      const { ConfigError, formatIssue } = await import('../../config/errors.ts')
      const issues: InstanceType<typeof ConfigError>['issues'][number][] = []
      const pipelines: string[] = []
      const edges: string[] = []
      for (const file of files) {
        try {
          const kind = loadAny(file)
          if (kind === 'pipeline') pipelines.push(file)
          if (kind === 'edge') edges.push(file)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          issues.push(...error.issues)
        }
      }
      if (issues.length > 0) throw new ConfigError(issues)
      const { loadAnalyserModules } = await import('../analyser-modules.ts')
      const loaded = loadPipelines(pipelines)
      await loadAnalyserModules(loaded)
      const { idleGlobs } = await import('../../config/idle-globs.ts')
      for (const idle of idleGlobs(loaded)) print(`remark: ${formatIssue(idle)}`)
      for (const file of edges) await printFlash(file)
      print(`${files.length} file${files.length === 1 ? '' : 's'} checked, nothing wrong`)
    })
}

/** What a gateway of this configuration would write to its disk in a day, and what that is told from. */
async function printFlash(file: string): Promise<void> {
  const { loadEdge } = await import('../../config/load.ts')
  const { forecastFlash } = await import('../../config/flash-forecast.ts')
  const { config, pipelines } = loadEdge(file)
  const { bytesPerDay, recordsPerSecond, durabilityMs, assumed, assumption } = forecastFlash(pipelines)
  const { flash_budget: budget } = config.buffer
  const count = Number(recordsPerSecond.toPrecision(3))
  const load = `${count} record${count === 1 ? '' : 's'} a second, durability ${durationText(durabilityMs)}`
  print(
    `${file}: about ${gb(bytesPerDay)} GB a day written to the disk (${load})${budget === undefined ? '' : `, of ${gb(budget)} declared`}`,
  )
  if (assumed.length > 0) print(`  assumed is ${assumption} of ${assumed.join(', ')}: how much they give is not in the file`)
  if (budget !== undefined && bytesPerDay > budget)
    print('  That is more than buffer.flash_budget: give the pipelines a longer durability, or read less often.')
}

function gb(bytes: number): string {
  return (bytes / 1e9).toFixed(2)
}
