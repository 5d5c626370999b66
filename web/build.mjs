// Builds the pages: `node build.mjs [folder]`, into web/dist if none is given. The same sources make the same bytes, so that
// scripts/web.sh can compare what is committed with what would be built.
import { copyFile, mkdir, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const folder = resolve(process.argv[2] ?? join(here, "dist"));

await mkdir(folder, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { app: "src/app.tsx", admin: "src/admin.tsx", style: "style/index.css" },
  outdir: folder,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["chrome123", "firefox120", "safari17.5"],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
for (const name of await readdir(join(here, "public"))) {
  await copyFile(join(here, "public", name), join(folder, name));
}
