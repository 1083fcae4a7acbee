import { directory } from './directory.ts'
import { exec } from './exec.ts'
import { file } from './file.ts'
import { generator } from './generator.ts'
import { http } from './http.ts'
import { linux } from './linux.ts'
import { modbus } from './modbus.ts'
import { mqtt } from './mqtt.ts'
import { serial } from './serial.ts'
import type { SourceKind } from './source.ts'
import { tcp } from './tcp.ts'
import { udp } from './udp.ts'
import { unix } from './unix.ts'
import { webhook } from './webhook.ts'

/** Every kind of source; a new one is one file and one line here. */
export const SOURCE_KINDS: readonly SourceKind[] = [
  serial,
  modbus,
  tcp,
  udp,
  unix,
  mqtt,
  http,
  webhook,
  file,
  directory,
  exec,
  linux,
  generator,
]
