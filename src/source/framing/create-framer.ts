import { BetweenFramer } from './between.ts'
import { DelimiterFramer } from './delimiter.ts'
import type { Framer, FramerHooks } from './framer.ts'
import type { FrameOptions } from './options.ts'
import { PacketFramer } from './packets.ts'
import { SilenceFramer } from './silence.ts'
import { SizedFramer } from './sized.ts'
import { TelegramFramer } from './telegram.ts'

export function createFramer(options: FrameOptions, hooks: FramerHooks): Framer {
  if (options.delimiter !== undefined) return new DelimiterFramer(options, hooks)
  if (options.silence !== undefined) return new SilenceFramer(options, hooks)
  if (options.telegram !== undefined) return new TelegramFramer(options, hooks)
  if (options.between !== undefined) return new BetweenFramer(options, hooks)
  return options.packets === undefined ? new SizedFramer(options, hooks) : new PacketFramer(options, hooks)
}
