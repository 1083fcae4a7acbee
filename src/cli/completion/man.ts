import { allCommands, type CommandRow, type OptionRow } from './command-table.ts'

/** headrace(1), in the man macros that every man program reads. */
export function manPage(table: CommandRow, version: string): string {
  const commands = allCommands(table).filter(({ commands: below, path }) => path.length > 1 && below.length === 0)
  return `${[
    `.TH HEADRACE 1 "" "headrace ${version}" "Headrace"`,
    '.SH NAME',
    `headrace \\- ${escaped(table.summary)}`,
    '.SH SYNOPSIS',
    '.B headrace',
    '.I command',
    '[\\fIoption\\fR\\|.\\|.\\|.]',
    '.SH OPTIONS',
    ...table.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap(row => [`.SS ${quotedWords(row)}`, escaped(row.summary), ...row.options.flatMap(optionLines)]),
    '.SH EXIT STATUS',
    ...tagged('0', 'done'),
    ...tagged('1', 'failed at run time'),
    ...tagged('2', "the user's input is wrong"),
    '.SH FILES',
    ...tagged('/etc/headrace/edge.yaml, /etc/headrace/core.yaml', 'configuration of the services'),
    ...tagged('/var/lib/headrace', 'what they keep'),
    ...tagged('/opt/headrace/versions', 'installed versions, side by side; /opt/headrace/current is the one that runs'),
  ].join('\n')}\n`
}

function quotedWords({ path, arguments: values }: CommandRow): string {
  return `"${escaped([...path, ...values].join(' ')).replaceAll('"', '')}"`
}

function optionLines({ names, value, choices, unlessSet, summary }: OptionRow): string[] {
  const notes = [choices.join(', '), unlessSet === undefined ? '' : `${unlessSet} unless set`].filter(Boolean).join('; ')
  const said = notes === '' ? summary : `${summary} (${notes})`
  return tagged(`${names.join(', ')}${value === undefined ? '' : ` ${value}`}`, said)
}

function tagged(tag: string, text: string): string[] {
  return ['.TP', `\\fB${escaped(tag)}\\fR`, escaped(text)]
}

/** A backslash, a hyphen, and a dot or an apostrophe at the beginning of a line have a meaning of their own. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/\s+/g, ' ').replace(/^[.']/, '\\&$&')
}
