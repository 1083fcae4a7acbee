import type { Command } from 'commander'

export interface OptionRow {
  /** As it is written: `--config`, `-n`. */
  readonly names: readonly string[]
  /** What stands behind it, such as `<file>`; absent where it takes nothing. */
  readonly value?: string
  readonly choices: readonly string[]
  /** What it is where it is not given. */
  readonly unlessSet?: string
  readonly summary: string
}

export interface CommandRow {
  /** From the program's own name on: `['headrace', 'batch', 'run']`. */
  readonly path: readonly string[]
  readonly summary: string
  readonly arguments: readonly string[]
  readonly options: readonly OptionRow[]
  readonly commands: readonly CommandRow[]
}

/** What the program itself says of its commands: the man page and the shells' completions are made of nothing else. */
export function commandTable(command: Command, above: readonly string[] = []): CommandRow {
  const path = [...above, command.name()]
  const help: OptionRow = { names: ['-h', '--help'], choices: [], summary: 'says how it is used' }
  return {
    path,
    summary: command.description(),
    arguments: command.registeredArguments.map(each => {
      const name = `${each.name()}${each.variadic ? '…' : ''}`
      return each.required ? `<${name}>` : `[${name}]`
    }),
    options: [
      ...command.options
        .filter(({ hidden }) => !hidden)
        .map(({ short, long, flags, argChoices, description, defaultValue, defaultValueDescription }) => {
          const value = /[<[].*[>\]]/.exec(flags)?.[0]
          return {
            names: [short, long].filter(name => name !== undefined),
            ...(value !== undefined && { value }),
            choices: argChoices ?? [],
            ...(defaultValue !== undefined && { unlessSet: defaultValueDescription ?? String(defaultValue) }),
            summary: description,
          }
        }),
      help,
    ],
    commands: command.commands.map(each => commandTable(each, path)),
  }
}

/** A command and all below it, in the order in which they are listed. */
export function allCommands(table: CommandRow): CommandRow[] {
  return [table, ...table.commands.flatMap(allCommands)]
}

/** Whether a value is a path, so that a shell offers files. */
export function isPath(value: string): boolean {
  return /file|director|folder|path|pipeline\.yaml|capture/i.test(value)
}
