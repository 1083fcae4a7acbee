export interface RouterSection {
  readonly kind: string
  readonly entries: Readonly<Record<string, unknown>>
}

/*
  The grammar of qdrouterd's configuration file, line by line:
    section  = NAME "{" lines "}"
    lines    = (KEY ":" TEXT | KEY ":" "{" lines "}" | "#" comment | empty)*
*/

/** Sections in order; every value is a text, or again a table. Throws with the line at which the file is not of that grammar. */
export function readRouterConfig(text: string): RouterSection[] {
  const sections: RouterSection[] = []
  const open: Record<string, unknown>[] = []
  const lines = text.split('\n')
  for (const [index, raw] of lines.entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const inner = open.at(-1)
    const section = /^([A-Za-z]+) \{$/.exec(line)
    const nested = /^([$A-Za-z]+): \{$/.exec(line)
    const entry = /^([A-Za-z]+):\s*(.*)$/.exec(line)
    if (!inner && section) {
      const entries: Record<string, unknown> = {}
      sections.push({ kind: String(section[1]), entries })
      open.push(entries)
    } else if (inner && line === '}') open.pop()
    else if (inner && nested) {
      const entries: Record<string, unknown> = {}
      inner[String(nested[1])] = entries
      open.push(entries)
    } else if (inner && entry) inner[String(entry[1])] = String(entry[2])
    else throw new Error(`line ${index + 1}: "${line}" is neither a section nor an entry`)
  }
  if (open.length > 0) throw new Error(`line ${lines.length}: a section is not closed`)
  return sections
}
