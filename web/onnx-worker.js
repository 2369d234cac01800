// Computes ONNX files in a Web Worker, by a module that is loaded when the reader opens such a file: one worker a file, so
// that a file that makes the module trap, or never ends, takes nothing else down. `cargo xtask web` fills in the names.
const SCRIPT = "{script}";
const PROGRAM = "{program}";

// A panic's words: the module says them before it traps.
let panic;
globalThis.ferkdPanic = (words) => { panic = words; };

let session;

async function load() {
  if (SCRIPT === "{" + "script}") throw new Error("this page was built without it: cargo xtask web builds it");
  const module = await import(`./${SCRIPT}`);
  const program = await fetch(new URL(PROGRAM, import.meta.url));
  if (!program.ok) throw new Error(`the server answers ${program.status} to ${PROGRAM}`);
  await module.default({ module_or_path: program });
  return module;
}

async function open({ file, beside, side }) {
  let module;
  try {
    module = await load();
  } catch (error) {
    throw [`what computes ONNX files could not be loaded: ${error.message ?? error}`, "try again with a network"];
  }
  const loader = new module.Loader();
  for (const [name, bytes] of beside) loader.beside(name, bytes);
  session = loader.open(file);
  return { classes: session.classes(side) };
}

addEventListener("message", async ({ data }) => {
  try {
    if (data.file) return postMessage(await open(data));
    const logits = session.logits(data.images, data.side);
    postMessage({ logits }, [logits.buffer]);
  } catch (error) {
    // What the module says is a problem and its remedy; all else is a trap, after which it computes nothing any more.
    const remedy = "export it again, or label images with it by `ferkd label` and open the label store";
    const problem = Array.isArray(error) ? error : [`it cannot be computed: ${panic ?? error}`, remedy];
    postMessage({ problem, stopped: !Array.isArray(error) });
  }
});
