/**
 * Writes what Headrace is made of, as CycloneDX 1.6 JSON, from the lock file alone: `npm run sbom [-- FILE]`, sbom.cdx.json unless named, - for standard
 * output. The same lock file gives the same bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { readArguments } from './arguments.ts'
import { billOf, type LockFile } from './sbom/bill.ts'

const command = new Command('npm run sbom --')
  .description('Writes what Headrace is made of, as CycloneDX.')
  .argument('[file]', 'where to; - is standard output', 'sbom.cdx.json')
readArguments(command)
const lock = JSON.parse(readFileSync(fileURLToPath(new URL('../package-lock.json', import.meta.url)), 'utf8')) as LockFile
const bill = `${JSON.stringify(billOf(lock), null, 2)}\n`
const [file] = command.processedArgs as [string]
if (file === '-') process.stdout.write(bill)
else {
  writeFileSync(file, bill)
  process.stderr.write(`${file} is written.\n`)
}
