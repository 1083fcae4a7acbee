import { Command, Option } from 'commander'
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
      const { ConfigError } = await import('../../config/errors.ts')
      const issues: InstanceType<typeof ConfigError>['issues'][number][] = []
      const pipelines: string[] = []
      for (const file of files) {
        try {
          if (loadAny(file) === 'pipeline') pipelines.push(file)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          issues.push(...error.issues)
        }
      }
      if (issues.length > 0) throw new ConfigError(issues)
      const { loadAnalyserModules } = await import('../analyser-modules.ts')
      await loadAnalyserModules(loadPipelines(pipelines))
      print(`${files.length} file${files.length === 1 ? '' : 's'} checked, nothing wrong`)
    })
}
