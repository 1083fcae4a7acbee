import { SOURCE_KINDS } from '../source/kinds.ts'
import type { SourceKind } from '../source/source.ts'
import type { SourceConfig } from './pipeline.ts'

/** The one kind that a source is of, and its options. */
export function kindOf(source: SourceConfig): { kind: SourceKind; options: unknown } {
  const given = source as Readonly<Record<string, unknown>>
  const kind = SOURCE_KINDS.find(each => given[each.kind] !== undefined)
  if (!kind) throw new Error('a source without a kind passed its schema')
  return { kind, options: given[kind.kind] }
}
