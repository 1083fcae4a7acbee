import { Command } from 'commander'
import { print, printJson, table } from '../output.ts'

export function configCommand(): Command {
  const command = new Command('config').description('What a configuration says, and where each value comes from.')
  command.addCommand(
    new Command('show')
      .description(
        'Prints every value that holds: from the file (FILE:LINE:COLUMN), from a profile, or by default. Secrets are hidden.',
      )
      .argument('<file>', 'edge.yaml, core.yaml or a pipeline; of the first two, their pipelines as well')
      .option('--json', 'for programs')
      .addHelpText('after', '\nExample:\n  headrace config show /etc/headrace/edge.yaml')
      .action(async (file: string, { json }: { json?: true }) => {
        const { shownConfig } = await import('../shown-config.ts')
        const parts = shownConfig(file)
        if (json) {
          printJson({ files: parts })
          return
        }
        for (const [index, part] of parts.entries()) {
          if (index > 0) print('')
          print(`${part.file}\n`)
          const rows = part.values.map(({ path, value, origin }) => [path, value, origin])
          print(table(['key', 'value', 'from'], rows))
        }
      }),
  )
  return command
}
