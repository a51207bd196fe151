# Completion of grapevine for bash: source <(grapevine completion bash)

_grapevine() {
  local line=${COMP_LINE:0:COMP_POINT} words current word at kept answer
  # Words as a shell splits them: COMP_WORDS is cut at = and : as well.
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current=${words[-1]}
  at=${COMP_WORDS[COMP_CWORD]}
  [[ $at == [=:] ]] && at=""
  kept=${current%"$at"} # readline replaces what is behind it alone
  mapfile -t answer < <("${words[0]}" __complete "${words[@]:1}" 2> /dev/null)
  COMPREPLY=()
  for word in "${answer[@]:0:${#answer[@]}-1}"; do
    word=${word%%$'\t'*}
    COMPREPLY+=("${word#"$kept"}")
  done
  # The last line is what is to be done besides: 0 is files, 2 no blank behind it, 4 nothing.
  case ${answer[-1]:-:4} in
    :0) compopt -o default ;;
    :6) compopt -o nospace ;;
  esac
}
complete -F _grapevine grapevine
