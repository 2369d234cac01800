// In NVRTC's place: CubeCL's CUDA C++ becomes a library of the host, compiled by clang++ and kept under its hash in
// $SOFT_CUDA_CACHE. Its "PTX" is the library's path. Beside it lies the source as it came, whose lines errors name.
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <vector>

using std::string;

enum { OK = 0, COMPILATION = 6 };
struct Program {
    string source, ptx, log;
};

static void replace_all(string &s, const string &a, const string &b) {
    for (size_t at = 0; (at = s.find(a, at)) != string::npos; at += b.size()) s.replace(at, a.size(), b);
}
/// Where the parenthesis that opens at `open` closes.
static size_t closing(const string &s, size_t open) {
    int depth = 0;
    bool quoted = false;
    for (size_t i = open; i < s.size(); i++) {
        if (s[i] == '"' && s[i - 1] != '\\') quoted = !quoted;
        if (quoted) continue;
        if (s[i] == '(') depth++;
        if (s[i] == ')' && !--depth) return i;
    }
    return string::npos;
}
/// `text` with as many line breaks as `before` has, so that lines keep their numbers.
static string same_lines(string text, const string &before) {
    for (char c : before)
        if (c == '\n') text += '\n';
    return text;
}

/// CUDA's headers: what they declare stands in device/ already.
static void without_includes(string &s) {
    for (size_t at = 0; (at = s.find("#include", at)) != string::npos;) s.replace(at, 8, "//      "), at += 8;
}
/// `extern __shared__ __align__(N) char NAME[];` is the block's memory.
static void shared_memory(string &s) {
    const string mark = "extern __shared__ __align__(";
    for (size_t at = 0; (at = s.find(mark, at)) != string::npos;) {
        size_t name = s.find(" char ", at) + 6, end = s.find("[];", name);
        s.replace(at, end + 3 - at, "char* const " + s.substr(name, end - name) + " = soft_shared();");
    }
}
/// `asm volatile("mnemonic {%0, %1}, [%2], 16;" : "=r"(a), "=r"(b) : "l"(c) : "memory")` becomes
/// `PTX_mnemonic(SITE, a, b, c, 16)`: operands in the order in which the instruction has them.
static void inline_ptx(string &s) {
    for (size_t at = 0; (at = s.find("asm ", at)) != string::npos; at++) {
        if (at && (isalnum(s[at - 1]) || s[at - 1] == '_')) continue;
        size_t open = s.find('(', at), close = closing(s, open);
        if (close == string::npos) return;
        string text;
        std::vector<string> operands;
        bool in_text = true;
        for (size_t i = open + 1; i < close; i++) {
            if (s[i] == ':') in_text = false;
            if (s[i] != '"') continue;
            size_t end = i + 1;
            while (s[end] != '"' || s[end - 1] == '\\') end++;
            if (in_text) text += s.substr(i + 1, end - i - 1);
            i = end;
            if (!in_text && s[i + 1] == '(') {
                size_t c = closing(s, i + 1);
                operands.push_back(s.substr(i + 2, c - i - 2));
                i = c;
            }
        }
        replace_all(text, "\\n", " "), replace_all(text, "\\t", " ");
        string name = "PTX_", arguments = "SOFT_SITE";
        if (text[0] == '{') { // several instructions: by the whole text
            for (char c : text)
                if (isalnum(c)) name += c;
            for (auto &operand : operands) arguments += ", " + operand;
        } else {
            size_t i = text.find_first_not_of(' ');
            for (; i < text.size() && text[i] != ' ' && text[i] != ';'; i++) name += isalnum(text[i]) ? text[i] : '_';
            for (size_t length; i < text.size(); i++) {
                if (text[i] == '%' && isdigit(text[i + 1])) {
                    arguments += ", " + operands.at(std::stoul(text.substr(i + 1), &length));
                    i += length;
                } else if (isdigit(text[i])) {
                    arguments += ", " + std::to_string(std::stoul(text.substr(i), &length));
                    i += length - 1;
                }
            }
        }
        string before = s.substr(at, close + 1 - at);
        s.replace(at, before.size(), same_lines(name + "(" + arguments + ")", before));
    }
}
/// The kernel's name: it follows `__launch_bounds__(...)`, and `__cluster_dims__(...)` where there is one.
static string kernel_name(const string &s) {
    size_t at = s.find("__launch_bounds__(");
    if (at == string::npos) return "";
    at = closing(s, at + 17) + 1;
    size_t cluster = s.find("__cluster_dims__(", at);
    if (cluster != string::npos && cluster < s.find('{', at)) at = closing(s, cluster + 16) + 1;
    at = s.find_first_not_of(" \n", at);
    return s.substr(at, s.find('(', at) - at);
}
/// Whether threads do anything together; else they run one after the other, without fibers.
static bool is_together(const string &s) {
    for (const char *mark : {"__sync", "__shfl", "wmma", "asm ", "barrier", "__activemask", "__all_", "__any_", "__ballot", "memcpy_async", "cp_async"})
        if (s.find(mark) != string::npos) return true;
    return false;
}
static bool write(const string &path, const string &text) {
    FILE *file = fopen(path.c_str(), "w");
    bool good = file && fwrite(text.data(), 1, text.size(), file) == text.size();
    return file && !fclose(file) && good;
}
static string read(const string &path) {
    string text;
    char part[4096];
    FILE *file = fopen(path.c_str(), "r");
    for (size_t n; file && (n = fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
    if (file) fclose(file);
    return text;
}

extern "C" {
int nvrtcCreateProgram(Program **program, const char *source, const char *, int, void *, void *) {
    return *program = new Program{source, "", ""}, OK;
}
int nvrtcCompileProgram(Program *p, int, const char **) {
    const char *cache = getenv("SOFT_CUDA_CACHE"), *header = getenv("SOFT_CUDA_HEADER"), *flags = getenv("SOFT_CUDA_FLAGS");
    if (!cache || !header || !flags) return p->log = "run it by `cargo xtask soft-cuda -- ...`", COMPILATION;
    uint64_t hash = 1469598103934665603ull;
    for (unsigned char c : p->source) hash = (hash ^ c) * 1099511628211ull;
    char name[32];
    snprintf(name, sizeof name, "/%016llx", (unsigned long long)hash);
    string base = cache + string(name), library = base + ".so";
    p->ptx = "soft-cuda:" + library;
    if (!access(library.c_str(), R_OK)) return OK;

    string s = p->source, kernel = kernel_name(s);
    int together = is_together(s);
    without_includes(s), shared_memory(s), inline_ptx(s);
    string whole = "soft::Runtime soft_runtime;\n#line 1 \"" + base + ".cu\"\n" + s +
        "\nextern \"C\" void soft_entry(void **arguments) { soft_call(" + kernel + ", arguments); }\n"
        "extern \"C\" void soft_bind(const soft::Runtime *r, unsigned *count, unsigned *sizes) {\n"
        "    soft_runtime = *r, soft_sizes(" + kernel + ", count, sizes);\n}\n"
        "extern \"C\" const int soft_together = " + std::to_string(together) + ";\n";
    // Others may compile the same at the same time: each writes aside, and the last to rename wins.
    string own = base + "." + std::to_string(getpid()) + "." + std::to_string((uintptr_t)p);
    string cpp = own + ".cpp", log = own + ".log";
    if (!write(cpp, whole)) return p->log = cpp + " cannot be written", COMPILATION;
    string command = string("clang++ ") + flags + " -shared -include-pch " + header + " -o " + own + ".so " + cpp + " 2>" + log;
    int failed = system(command.c_str());
    if (failed) {
        p->log = read(log).substr(0, 8000);
    } else {
        write(own + ".cu", p->source), rename((own + ".cu").c_str(), (base + ".cu").c_str());
        rename((own + ".so").c_str(), library.c_str());
        unlink(cpp.c_str());
    }
    unlink(log.c_str());
    return failed ? COMPILATION : OK;
}
int nvrtcDestroyProgram(Program **p) { return delete *p, *p = nullptr, OK; }
int nvrtcGetPTXSize(Program *p, size_t *bytes) { return *bytes = p->ptx.size() + 1, OK; }
int nvrtcGetPTX(Program *p, char *to) { return strcpy(to, p->ptx.c_str()), OK; }
int nvrtcGetProgramLogSize(Program *p, size_t *bytes) { return *bytes = p->log.size() + 1, OK; }
int nvrtcGetProgramLog(Program *p, char *to) { return strcpy(to, p->log.c_str()), OK; }
const char *nvrtcGetErrorString(int) { return "the software device's compiler refused it"; }
}
