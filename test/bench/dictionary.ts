/**
 * `npx node test/bench/dictionary.ts`: what a dictionary would save in small batches: bytes of records as they are, with zstd, and with zstd and a dictionary of
 * what the same source sent before. What docs/decisions/0087-no-dictionary.md says comes from here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import { Command } from 'commander'
import { readArguments } from '../../scripts/arguments.ts'
import { table } from '../../src/cli/output.ts'
import { BATCH_HEADER_BYTES } from '../../src/record/batch-header.ts'
import { BatchWriter } from '../../src/record/batch-writer.ts'
import { PAYLOAD_KINDS, writePayloadFile } from './payload.ts'

const COUNTS = [1, 4, 16, 64, 256]
const DICTIONARY_BYTES = 16 * 1024
const LINES_BEFORE = 2_000
const START_MS = 1_767_225_600_000

readArguments(new Command('npx node test/bench/dictionary.ts').description('What a dictionary would save in small batches.'))
const folder = mkdtempSync(join(tmpdir(), 'headrace-dictionary-'))
const writer = new BatchWriter()

function plainRecords(lines: readonly string[]): Buffer {
  writer.begin({ key: 'plant/meter', producerId: 1, epoch: 0, epochStart: 0, sequence: 0 })
  for (const [at, line] of lines.entries()) {
    const bytes = Buffer.from(line, 'latin1')
    writer.append(START_MS + at, bytes, 0, bytes.length)
  }
  return writer.finish('none').bytes.subarray(BATCH_HEADER_BYTES)
}

try {
  const rows = PAYLOAD_KINDS.flatMap(kind => {
    const path = join(folder, kind)
    writePayloadFile(path, kind)
    const lines = readFileSync(path, 'latin1').split('\n')
    const dictionary = plainRecords(lines.slice(0, LINES_BEFORE)).subarray(-DICTIONARY_BYTES)
    return COUNTS.map(count => {
      const plain = plainRecords(lines.slice(LINES_BEFORE, LINES_BEFORE + count))
      const params = { [constants.ZSTD_c_compressionLevel]: 1 }
      const packed = zstdCompressSync(plain, { params }).length
      const withDictionary = zstdCompressSync(plain, { params, dictionary }).length
      const each = (bytes: number) => ((bytes + BATCH_HEADER_BYTES) / count).toFixed(1)
      return [kind, count, each(plain.length), each(packed), each(withDictionary)]
    })
  })
  console.log('bytes a record, the header of the batch included')
  console.log(table(['payload', 'records', 'plain', 'zstd', 'zstd and dictionary'], rows))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
