import { Argument, Command } from 'commander'
import type { CommandRow } from '../completion/command-table.ts'
import { VERSION } from '../version.ts'

const KINDS = ['bash', 'zsh', 'man'] as const
type Kind = (typeof KINDS)[number]

export function completionCommand(): Command {
  return new Command('completion')
    .description('Prints what completes its commands in a shell, or its man page.')
    .addArgument(new Argument('<kind>', 'bash, zsh, or man').choices(KINDS))
    .addHelpText(
      'after',
      '\nExamples:\n  headrace completion bash > /usr/share/bash-completion/completions/headrace\n  headrace completion man | man -l -',
    )
    .action(async (kind: Kind, _options: object, command: Command) => {
      const { commandTable } = await import('../completion/command-table.ts')
      const table = commandTable(command.parent ?? command)
      process.stdout.write(await textOf(kind, table))
    })
}

async function textOf(kind: Kind, table: CommandRow): Promise<string> {
  switch (kind) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashCompletion(table)
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshCompletion(table)
    case 'man':
      return (await import('../completion/man.ts')).manPage(table, VERSION)
  }
}
